<?php

// Drupal's settings in a sitectl image: what differs between environments
// comes from the files of the pod. sites/default/settings.php requires this
// file, unless the site brings its own; that one can require it, too, before
// or after it sets something: what is set already stays.

$sitectl_read = static function (string $file): string {
    $value = @file_get_contents($file);
    if ($value === false) {
        throw new RuntimeException("cannot read $file");
    }

    return trim($value);
};

if (empty($databases['default']['default']) && is_dir('/secrets/database')) {
    $databases['default']['default'] = [
        'driver' => 'mysql',
        'host' => $sitectl_read('/secrets/database/host'),
        'port' => $sitectl_read('/secrets/database/port'),
        'database' => $sitectl_read('/secrets/database/name'),
        'username' => $sitectl_read('/secrets/database/user'),
        'password' => $sitectl_read('/secrets/database/password'),
        'prefix' => '',
        'collation' => 'utf8mb4_general_ci',
        // As Drupal recommends it: fewer deadlocks than with MariaDB's default.
        'init_commands' => ['isolation_level' => 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'],
    ];
}

if (empty($settings['hash_salt'])) {
    $settings['hash_salt'] = $sitectl_read('/secrets/drupal/hash-salt');
}

// The site answers for the hosts of its ingress only. An asterisk stands for
// one label, as in the ingress.
$settings['trusted_host_patterns'] = $settings['trusted_host_patterns'] ?? array_map(
    static function (string $host): string {
        return '^' . str_replace('\*', '[^.]+', preg_quote($host)) . '$';
    },
    explode("\n", $sitectl_read('/config/site/hosts'))
);

// Compiled templates: writable, and of each pod alone, so that old and new
// code never share any.
$settings['php_storage']['default'] = $settings['php_storage']['default'] ?? [
    'class' => 'Drupal\Component\PhpStorage\MTimeProtectedFastFileStorage',
    'secret' => $settings['hash_salt'],
    'directory' => '/tmp/drupal/php',
];
// The same for the cached service container, which is in the database.
$settings['deployment_identifier'] = $settings['deployment_identifier'] ?? $sitectl_read('/config/release/commit');

$settings['file_temp_path'] = $settings['file_temp_path'] ?? '/tmp';
// Below the files volume; Apache serves nothing from there.
$settings['file_private_path'] = $settings['file_private_path'] ?? "$site_path/files/private";
$settings['config_sync_directory'] = $settings['config_sync_directory'] ?? '../config/sync';
$settings['file_scan_ignore_directories'] = $settings['file_scan_ignore_directories'] ?? ['node_modules', 'bower_components'];

// The code is the image: it changes by a ship and is read-only until then.
$settings['skip_permissions_hardening'] = true;
$settings['allow_authorize_operations'] = false;
$settings['update_free_access'] = false;

// For the module memcache; which caches use it is up to the site.
if (is_file('/config/site/memcached') && empty($settings['memcache']['servers'])) {
    $settings['memcache']['servers'] = array_fill_keys(explode("\n", $sitectl_read('/config/site/memcached')), 'default');
}
// The same for the module redis.
if (is_file('/config/site/redis') && empty($settings['redis.connection']['host'])) {
    [$sitectl_host, $sitectl_port] = explode(':', $sitectl_read('/config/site/redis'));
    $settings['redis.connection'] = ['interface' => 'PhpRedis', 'host' => $sitectl_host, 'port' => $sitectl_port];
    unset($sitectl_host, $sitectl_port);
}

unset($sitectl_read);
