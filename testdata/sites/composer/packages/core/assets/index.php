<?php

require dirname(__DIR__) . '/vendor/autoload.php';

header('Content-Type: text/plain');
header('Cache-Control: no-store');
foreach ((new Standin\Core\Site(__DIR__))->report() as $name => $value) {
    echo "$name: $value\n";
}
