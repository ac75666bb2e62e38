<?php

declare(strict_types=1);

namespace Guestbook;

/** The site: one method for each path. */
final class Guestbook
{
    /** Seconds the front page may come from a cache. */
    private const int FRESH = 5;

    public function __construct(private readonly Pictures $pictures)
    {
    }

    public function answer(string $method, string $path): Response
    {
        $read = $method === 'GET' || $method === 'HEAD';

        return match (true) {
            $path === '/' && $read => $this->front(),
            $path === '/entries' && $method === 'POST' => $this->add(),
            $path === '/healthz' && $read => Response::text('ok'),
            $path === '/release' && $read => Response::text(Settings::commit()),
            $read && preg_match('#^/entries/(\d{1,9})$#D', $path, $match) === 1 => $this->entry((int) $match[1]),
            default => Response::page('message', ['title' => 'Not here', 'text' => 'There is no such page.'], 404),
        };
    }

    private function front(): Response
    {
        $database = Database::connect();

        return Response::page('front', [
            'count' => new Count($database)->get(),
            'entries' => new Entries($database)->latest(),
            'cron' => new CronRuns($database)->last(),
        ], 200, ['Cache-Control' => 'public, max-age=' . self::FRESH]);
    }

    private function entry(int $id): Response
    {
        $entry = new Entries(Database::connect())->find($id);
        if ($entry === null) {
            return Response::page('message', ['title' => 'Not here', 'text' => 'There is no such entry.'], 404);
        }

        return Response::page('entry', ['entry' => $entry]);
    }

    private function add(): Response
    {
        // Browsers say where a form was sent from; another site has no business here.
        if (($_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'same-origin') === 'cross-site') {
            return Response::page('message', ['title' => 'Not taken', 'text' => 'Please use the form on this site.'], 403);
        }
        try {
            return $this->addEntry(self::field('name'), self::field('message'));
        } catch (Refused $refused) {
            return Response::page('message', ['title' => 'Not taken', 'text' => $refused->getMessage()], 422);
        }
    }

    private function addEntry(string $name, string $message): Response
    {
        Entries::check($name, $message);
        $database = Database::connect();
        $picture = isset($_FILES['picture']['error']) && is_int($_FILES['picture']['error'])
            ? $this->pictures->keep($_FILES['picture'])
            : null;
        $id = new Entries($database)->add($name, $message, $picture);
        new Count($database)->forget();

        return Response::redirect("/entries/$id");
    }

    private static function field(string $name): string
    {
        return is_string($_POST[$name] ?? null) ? trim($_POST[$name]) : '';
    }
}
