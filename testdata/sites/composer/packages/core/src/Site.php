<?php

namespace Standin\Core;

/** A site with Drupal's settings. */
final class Site
{
    private array $settings;
    private array $databases;

    public function __construct(string $app_root)
    {
        $site_path = 'sites/default';
        $settings = $databases = [];
        require "$app_root/$site_path/settings.php";
        $this->settings = $settings;
        $this->databases = $databases;
    }

    public function database(): \PDO
    {
        $of = $this->databases['default']['default'];

        return new \PDO(
            "$of[driver]:host=$of[host];port=$of[port];dbname=$of[database]",
            $of['username'],
            $of['password'],
            [\PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION]
        );
    }

    /** What somebody who looks at the site may know. */
    public function report(): array
    {
        $traces = $this->database()->query('SELECT what, times FROM traces ORDER BY what')->fetchAll(\PDO::FETCH_KEY_PAIR);

        return [
            'Greeting' => \Example\Greeting\Greeting::text(),
            'Time' => \Standin\Clock\Clock::era(),
            'Installed' => $traces['site:install'] ?? 0,
            'Deployed' => $traces['deploy'] ?? 0,
            'Cron' => $traces['cron'] ?? 0,
            'Hosts' => implode(' ', $this->settings['trusted_host_patterns']),
            'Salt' => strlen($this->settings['hash_salt']) . ' characters',
            'Template' => $this->template(),
            'Release' => $this->settings['deployment_identifier'] === '' ? 'none' : 'known',
            'Private files' => $this->settings['file_private_path'],
        ];
    }

    /** Compiles a template, as Twig would, and executes it. */
    private function template(): string
    {
        $folder = $this->settings['php_storage']['default']['directory'];
        is_dir($folder) || mkdir($folder, 0700, true);
        file_put_contents("$folder/page.php", "<?php return 'compiled in $folder';");

        return require "$folder/page.php";
    }
}
