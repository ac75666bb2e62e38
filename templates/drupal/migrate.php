<?php

// The migration step of a Drupal site: "drush deploy", or the installation of
// the site's configuration into an empty database. An installation that was
// killed begins anew with the next ship. A database that has something else
// in it is never touched but by "drush deploy".

declare(strict_types=1);

const SITECTL_MARK = 'sitectl: installation under way'; // comment of the database

function sitectl_fail(string $message): void
{
    fwrite(STDERR, "$message\n");
    exit(1);
}

function sitectl_read(string $file): string
{
    $value = @file_get_contents($file);
    if ($value === false) {
        sitectl_fail("cannot read $file");
    }

    return trim($value);
}

function sitectl_drush(string ...$arguments): void
{
    $drush = proc_open([PHP_BINARY, 'vendor/bin/drush', '--yes', ...$arguments], [STDIN, STDOUT, STDERR], $pipes);
    if ($drush === false || ($status = proc_close($drush)) !== 0) {
        exit($status ?? 1);
    }
}

function sitectl_database(): PDO
{
    $at = '/secrets/database';

    return new PDO(
        sprintf(
            'mysql:host=%s;port=%s;dbname=%s;charset=utf8mb4',
            sitectl_read("$at/host"),
            sitectl_read("$at/port"),
            sitectl_read("$at/name")
        ),
        sitectl_read("$at/user"),
        sitectl_read("$at/password"),
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]
    );
}

function sitectl_tables(PDO $database): array
{
    return $database->query('SHOW TABLES')->fetchAll(PDO::FETCH_COLUMN);
}

function sitectl_mark(PDO $database, string $text): void
{
    $name = $database->query('SELECT DATABASE()')->fetchColumn();
    $database->exec("ALTER DATABASE `$name` COMMENT = " . $database->quote($text));
}

function sitectl_marked(PDO $database): bool
{
    $comment = 'SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()';

    return $database->query($comment)->fetchColumn() === SITECTL_MARK;
}

function sitectl_install(PDO $database): void
{
    if (!is_file('config/sync/core.extension.yml')) {
        sitectl_fail(
            "the database is empty, and config/sync has no configuration to install Drupal from.\n"
            . "Import a database into the pod mysql-0, or export the configuration (drush config:export) and commit it."
        );
    }
    sitectl_mark($database, SITECTL_MARK);
    // Without a MySQL client in the image, Drush itself removes no table.
    $database->exec('SET FOREIGN_KEY_CHECKS = 0');
    foreach (sitectl_tables($database) as $table) {
        $database->exec("DROP TABLE `$table`");
    }
    sitectl_drush(
        'site:install',
        '--existing-config',
        '--account-name=admin',
        '--account-pass=' . sitectl_read('/secrets/drupal/admin-password')
    );
    // The installation took its time, and the server may have hung up.
    sitectl_mark(sitectl_database(), '');
}

if (!is_file('vendor/bin/drush')) {
    sitectl_fail('there is no vendor/bin/drush: composer require drush/drush, or set migrate.steps');
}
try {
    $database = sitectl_database();
    if (sitectl_tables($database) === [] || sitectl_marked($database)) {
        sitectl_install($database);
        exit(0);
    }
    $database = null;
} catch (PDOException $e) {
    sitectl_fail('the database: ' . $e->getMessage());
}
sitectl_drush('--uri=' . sitectl_read('/config/site/url'), 'deploy');
