<?php

declare(strict_types=1);

namespace Guestbook;

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/' . substr($class, strlen(__NAMESPACE__) + 1) . '.php';
    if (str_starts_with($class, __NAMESPACE__ . '\\') && is_file($file)) {
        require $file;
    }
});

date_default_timezone_set('UTC');
