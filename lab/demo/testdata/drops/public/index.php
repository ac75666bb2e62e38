<?php

declare(strict_types=1);

header('Cache-Control: no-store');
echo 'release ', trim(file_get_contents('/config/release/commit')), "\n";
