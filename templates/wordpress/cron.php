<?php

// What the CronJob of a WordPress site runs: wp-cron.php, which is in the
// docroot or, with Bedrock, in a folder of it.

$sitectl_docroot = trim(file_get_contents(__DIR__ . '/docroot'));
$sitectl_found = glob("$sitectl_docroot{,/*}/wp-cron.php", GLOB_BRACE);
if ($sitectl_found === []) {
    fwrite(STDERR, "no WordPress in $sitectl_docroot\n");
    exit(1);
}
require $sitectl_found[0];
