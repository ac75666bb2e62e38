<?php

declare(strict_types=1);

namespace Guestbook;

use PDO;

final class Entries
{
    private const int SHOWN = 20;

    public function __construct(private readonly PDO $database)
    {
    }

    /** @return list<array{id: int, name: string, message: string, picture: ?string, created_at: string}> */
    public function latest(): array
    {
        return $this->database->query('SELECT * FROM entries ORDER BY id DESC LIMIT ' . self::SHOWN)->fetchAll();
    }

    /** @return ?array{id: int, name: string, message: string, picture: ?string, created_at: string} */
    public function find(int $id): ?array
    {
        $statement = $this->database->prepare('SELECT * FROM entries WHERE id = ?');
        $statement->execute([$id]);

        return $statement->fetch() ?: null;
    }

    /** @throws Refused if the name or the message is empty or too long */
    public static function check(string $name, string $message): void
    {
        foreach (['name' => [$name, 60], 'message' => [$message, 500]] as $field => [$value, $limit]) {
            $length = preg_match_all('/./su', $value);
            if ($length === false || $length === 0 || $length > $limit) {
                throw new Refused("Please write a $field of 1 to $limit characters.");
            }
        }
    }

    /** @return int the new entry's number */
    public function add(string $name, string $message, ?string $picture): int
    {
        $this->database
            ->prepare('INSERT INTO entries (name, message, picture) VALUES (?, ?, ?)')
            ->execute([$name, $message, $picture]);

        return (int) $this->database->lastInsertId();
    }

    /** @return list<string> names of the pictures that entries show */
    public function pictures(): array
    {
        return $this->database
            ->query('SELECT picture FROM entries WHERE picture IS NOT NULL')
            ->fetchAll(PDO::FETCH_COLUMN);
    }
}
