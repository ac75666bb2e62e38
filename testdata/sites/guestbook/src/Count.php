<?php

declare(strict_types=1);

namespace Guestbook;

use Memcached;
use PDO;

/** The number of entries: kept in memcached, counted in the database. */
final class Count
{
    private const string KEY = 'guestbook.entries';

    /** Seconds. Bounds how long a count may be wrong that lost a race with a new entry. */
    private const int LIFETIME = 30;

    private readonly Memcached $cache;

    public function __construct(private readonly PDO $database)
    {
        $this->cache = new Memcached();
        $this->cache->setOption(Memcached::OPT_CONNECT_TIMEOUT, 200); // milliseconds
        $this->cache->addServers(Settings::memcached());
    }

    public function get(): int
    {
        $count = $this->cache->get(self::KEY);
        if (is_int($count)) {
            return $count;
        }
        // A cache that is away is a cache that knows nothing.
        $count = (int) $this->database->query('SELECT COUNT(*) FROM entries')->fetchColumn();
        $this->cache->set(self::KEY, $count, self::LIFETIME);

        return $count;
    }

    public function forget(): void
    {
        $this->cache->delete(self::KEY);
    }
}
