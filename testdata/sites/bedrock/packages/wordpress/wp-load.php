<?php

defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require dirname(__DIR__) . '/wp-config.php';
