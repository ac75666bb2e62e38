<?php

// Runs a maintenance script of the site's MediaWiki, and returns its exit
// status.

return static function (string $script, array $arguments, array $environment = []): int {
    $folder = trim(file_get_contents(__DIR__ . '/docroot')) . '/maintenance';
    // Before MediaWiki 1.40 there was no run.php.
    $run = is_file("$folder/run.php") ? ["$folder/run.php", $script] : ["$folder/$script.php"];
    $process = proc_open([PHP_BINARY, ...$run, ...$arguments], [STDIN, STDOUT, STDERR], $pipes, null, $environment + getenv());

    return $process === false ? 1 : proc_close($process);
};
