<?php

declare(strict_types=1);

namespace Guestbook;

use PDO;

final class Database
{
    /** Seconds until a database that does not answer counts as away. */
    private const int TIMEOUT = 3;

    public static function connect(): PDO
    {
        $source = sprintf(
            'mysql:host=%s;port=%s;dbname=%s;charset=utf8mb4',
            Settings::database('host'),
            Settings::database('port'),
            Settings::database('name'),
        );
        $database = new PDO($source, Settings::database('user'), Settings::database('password'), [
            PDO::ATTR_TIMEOUT => self::TIMEOUT,
            PDO::ATTR_EMULATE_PREPARES => false,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        ]);
        $database->exec("SET time_zone = '+00:00'");

        return $database;
    }
}
