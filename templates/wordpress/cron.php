<?php

// What the CronJob of a WordPress site runs: wp-cron.php, which is in the
// working directory, in a folder of it, or in a folder of that (web/wp).

$sitectl_found = glob('{wp-cron.php,*/wp-cron.php,*/*/wp-cron.php}', GLOB_BRACE);
if ($sitectl_found === []) {
    fwrite(STDERR, 'no WordPress in ' . getcwd() . "\n");
    exit(1);
}
require $sitectl_found[0];
