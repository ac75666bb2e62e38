<?php

// Answers the probes: Apache and PHP work. It needs nothing of the site.
header('Content-Type: text/plain');
header('Cache-Control: no-store');
echo "ok\n";
