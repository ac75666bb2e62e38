<?php

declare(strict_types=1);

header('Cache-Control: no-store');
// A signal ends a sleep, and Apache sends one to its processes when it is to stop.
for ($end = microtime(true) + 10; microtime(true) < $end;) {
    usleep(100_000);
}
echo "after ten seconds\n";
