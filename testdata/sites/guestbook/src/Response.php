<?php

declare(strict_types=1);

namespace Guestbook;

final class Response
{
    /** @param array<string, string> $headers */
    public function __construct(
        private readonly string $body,
        private readonly int $status = 200,
        private readonly array $headers = [],
    ) {
    }

    public static function text(string $body): self
    {
        return new self("$body\n", 200, ['Content-Type' => 'text/plain; charset=utf-8']);
    }

    /** See Other: what is fetched next is another page, by GET. */
    public static function redirect(string $path): self
    {
        return new self('', 303, ['Location' => $path]);
    }

    /**
     * Renders views/<view>.php inside views/page.php.
     *
     * @param array<string, mixed>  $values  what the view calls by name
     * @param array<string, string> $headers
     */
    public static function page(string $view, array $values = [], int $status = 200, array $headers = []): self
    {
        $content = self::render($view, $values);

        return new self(self::render('page', ['content' => $content]), $status, $headers);
    }

    public function send(): void
    {
        http_response_code($this->status);
        $headers = $this->headers + [
            'Cache-Control' => 'no-store',
            'Content-Security-Policy' => "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
            'Content-Type' => 'text/html; charset=utf-8',
        ];
        foreach ($headers as $name => $value) {
            header("$name: $value");
        }
        echo $this->body;
    }

    private static function render(string $view, array $values): string
    {
        // In a view, $h(…) is the only way a value becomes HTML.
        $h = static fn (string|int $value): string => htmlspecialchars((string) $value, ENT_QUOTES | ENT_SUBSTITUTE);
        extract($values);
        ob_start();
        require __DIR__ . "/../views/$view.php";

        return ob_get_clean();
    }
}
