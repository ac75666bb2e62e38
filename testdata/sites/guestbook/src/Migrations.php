<?php

declare(strict_types=1);

namespace Guestbook;

use PDO;
use RuntimeException;

/**
 * Brings the tables up to the newest file. MariaDB commits with every change
 * of a table, so a run that is killed may have done half a file without
 * recording it: every statement in a file must bear being run again.
 */
final class Migrations
{
    /** Seconds to wait for another run to end. */
    private const int LOCK_TIMEOUT = 60;

    public function __construct(private readonly PDO $database, private readonly string $folder)
    {
    }

    /** @return list<string> names of the files that were applied */
    public function run(): array
    {
        $this->lock();
        $this->database->exec(
            'CREATE TABLE IF NOT EXISTS schema_migrations (
                version    INT UNSIGNED NOT NULL PRIMARY KEY,
                name       VARCHAR(100) NOT NULL,
                applied_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
            ) DEFAULT CHARACTER SET utf8mb4'
        );
        $applied = $this->database->query('SELECT version FROM schema_migrations')->fetchAll(PDO::FETCH_COLUMN);
        $names = [];
        foreach (glob("$this->folder/*.sql") as $file) {
            if (!in_array((int) basename($file), $applied, true)) {
                $this->apply($file);
                $names[] = basename($file);
            }
        }

        return $names;
    }

    private function apply(string $file): void
    {
        foreach (preg_split('/;\s*$/m', file_get_contents($file), -1, PREG_SPLIT_NO_EMPTY) as $statement) {
            if (trim($statement) !== '') {
                $this->database->exec($statement);
            }
        }
        $this->database
            ->prepare('INSERT INTO schema_migrations (version, name) VALUES (?, ?)')
            ->execute([(int) basename($file), basename($file)]);
    }

    /** The database gives the lock up by itself when the connection ends. */
    private function lock(): void
    {
        $lock = $this->database->query("SELECT GET_LOCK(CONCAT(DATABASE(), '.migrations'), " . self::LOCK_TIMEOUT . ')');
        if ((int) $lock->fetchColumn() !== 1) {
            throw new RuntimeException('another migration has been running for ' . self::LOCK_TIMEOUT . ' seconds');
        }
    }
}
