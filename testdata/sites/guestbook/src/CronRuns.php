<?php

declare(strict_types=1);

namespace Guestbook;

use PDO;

/** The trace that bin/cron.php leaves. */
final class CronRuns
{
    public function __construct(private readonly PDO $database)
    {
    }

    public function record(string $commit): void
    {
        $this->database->prepare('INSERT INTO cron_runs (commit_id) VALUES (?)')->execute([$commit]);
        $this->database->exec('DELETE FROM cron_runs WHERE ran_at < NOW() - INTERVAL 1 DAY');
    }

    /** @return ?array{commit_id: string, ran_at: string} */
    public function last(): ?array
    {
        return $this->database
            ->query('SELECT commit_id, ran_at FROM cron_runs ORDER BY id DESC LIMIT 1')
            ->fetch() ?: null;
    }
}
