<?php

declare(strict_types=1);

namespace Guestbook;

use PDOException;
use Throwable;

require __DIR__ . '/../src/bootstrap.php';

try {
    $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
    $response = new Guestbook(new Pictures(__DIR__ . '/uploads'))
        ->answer($_SERVER['REQUEST_METHOD'], is_string($path) ? $path : '');
} catch (PDOException $error) {
    error_log($error->getMessage());
    $response = Response::page(
        'message',
        ['title' => 'Back soon', 'text' => 'The guestbook cannot reach its database.'],
        503,
        ['Retry-After' => '5'],
    );
} catch (Throwable $error) {
    error_log((string) $error);
    $response = Response::page('message', ['title' => 'Sorry', 'text' => 'Something went wrong here.'], 500);
}
$response->send();
