<?php

declare(strict_types=1);

namespace Guestbook;

use RuntimeException;

/**
 * What the platform tells the site. It arrives as files, one value each, so
 * that no credential stands in an environment variable.
 */
final class Settings
{
    /** The commit of the release that runs; "unknown" outside a cluster. */
    public static function commit(): string
    {
        return is_readable('/config/release/commit') ? self::read('/config/release/commit') : 'unknown';
    }

    /** One of host, port, name, user and password. */
    public static function database(string $key): string
    {
        return self::read("/secrets/database/$key");
    }

    /** @return list<array{string, int}> host and port of each memcached server */
    public static function memcached(): array
    {
        $lines = preg_split('/\s+/', self::read('/config/site/memcached'), -1, PREG_SPLIT_NO_EMPTY);

        return array_map(static function (string $line): array {
            [$host, $port] = explode(':', $line, 2) + [1 => '11211'];

            return [$host, (int) $port];
        }, $lines);
    }

    private static function read(string $file): string
    {
        $value = @file_get_contents($file);
        if ($value === false) {
            throw new RuntimeException("cannot read $file");
        }

        return trim($value);
    }
}
