<?php

require __DIR__ . '/wp-load.php';
echo "Cron: done\n";
