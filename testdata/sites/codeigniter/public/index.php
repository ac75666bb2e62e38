<?php

require dirname(__DIR__) . '/app/Config/Paths.php';
require dirname(__DIR__) . '/app/Controllers/Hello.php';

$segments = explode('/', trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/'));
header('Content-Type: text/plain');
echo (new App\Controllers\Hello(new Config\Paths()))->index($segments[1] ?? 'visitor');
