<?php

require __DIR__ . '/system/Pages.php';

$page = (new Pages(__DIR__))->find(trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/') ?: 'home');
http_response_code($page === null ? 404 : 200);
header('Content-Type: text/plain');
echo $page ?? "There is no such page.\n";
