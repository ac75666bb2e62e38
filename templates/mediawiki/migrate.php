<?php

// The migration step of a MediaWiki site: installs MediaWiki into an empty
// database, and brings the database up to the code of this image. An
// installation that was killed begins anew with the next ship. A database that
// has something else in it is never touched but by update.php.

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

function sitectl_maintenance(string $script, array $arguments, array $environment = []): void
{
    $status = (require __DIR__ . '/maintenance.php')($script, $arguments, $environment);
    if ($status !== 0) {
        sitectl_fail("maintenance/$script.php ended with status $status");
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
    sitectl_mark($database, SITECTL_MARK);
    foreach (sitectl_tables($database) as $table) {
        $database->exec("DROP TABLE `$table`");
    }
    // The installer refuses to run where it finds a LocalSettings.php, and
    // writes one, which nobody needs.
    $folder = sys_get_temp_dir() . '/sitectl-install';
    if (!is_dir($folder) && !mkdir($folder, 0700)) {
        sitectl_fail("cannot make $folder");
    }
    $address = sitectl_read('/config/site/address');
    sitectl_maintenance('install', [
        '--server=' . sitectl_read('/config/site/url'),
        '--scriptpath=',
        '--dbtype=mysql',
        '--dbserver=' . sitectl_read('/secrets/database/host') . ':' . sitectl_read('/secrets/database/port'),
        '--dbname=' . sitectl_read('/secrets/database/name'),
        '--dbuser=' . sitectl_read('/secrets/database/user'),
        '--dbpassfile=/secrets/database/password',
        '--passfile=/secrets/mediawiki/admin-password',
        "--confpath=$folder",
        $address,
        'Admin',
    ], ['MW_CONFIG_FILE' => "$folder/none.php"]);
    unlink("$folder/LocalSettings.php");
    // The installation took its time, and the server may have hung up.
    sitectl_mark(sitectl_database(), '');
    echo "installed MediaWiki with the user Admin\n";
}

try {
    $database = sitectl_database();
    if (sitectl_tables($database) === [] || sitectl_marked($database)) {
        sitectl_install($database);
    }
    $database = null;
} catch (PDOException $e) {
    sitectl_fail('the database: ' . $e->getMessage());
}
// After an installation, too: it knows of no extension of the site's.
sitectl_maintenance('update', ['--quick', '--skip-external-dependencies']);
