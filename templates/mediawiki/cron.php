<?php

// What the CronJob of a MediaWiki site runs: the jobs that wait in its queue,
// for as long as it takes until the next run.

exit((require __DIR__ . '/maintenance.php')('runJobs', ['--maxtime=240']));
