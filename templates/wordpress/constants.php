<?php

// The constants of WordPress in a sitectl image, from the files of the pod.

return (static function (): array {
    $read = static function (string $file): string {
        $value = @file_get_contents($file);
        if ($value === false) {
            throw new RuntimeException("cannot read $file");
        }

        return trim($value);
    };

    // For a plugin that keeps objects in Redis.
    $redis = [];
    if (is_file('/config/site/redis')) {
        [$redis['WP_REDIS_HOST'], $redis['WP_REDIS_PORT']] = explode(':', $read('/config/site/redis'));
    }

    return $redis + [
        'DB_HOST' => $read('/secrets/database/host') . ':' . $read('/secrets/database/port'),
        'DB_NAME' => $read('/secrets/database/name'),
        'DB_USER' => $read('/secrets/database/user'),
        'DB_PASSWORD' => $read('/secrets/database/password'),
        'DB_CHARSET' => 'utf8mb4',
        'DB_COLLATE' => '',

        'AUTH_KEY' => $read('/secrets/wordpress/auth-key'),
        'SECURE_AUTH_KEY' => $read('/secrets/wordpress/secure-auth-key'),
        'LOGGED_IN_KEY' => $read('/secrets/wordpress/logged-in-key'),
        'NONCE_KEY' => $read('/secrets/wordpress/nonce-key'),
        'AUTH_SALT' => $read('/secrets/wordpress/auth-salt'),
        'SECURE_AUTH_SALT' => $read('/secrets/wordpress/secure-auth-salt'),
        'LOGGED_IN_SALT' => $read('/secrets/wordpress/logged-in-salt'),
        'NONCE_SALT' => $read('/secrets/wordpress/nonce-salt'),

        'WP_HOME' => $read('/config/site/url'),
        'WP_SITEURL' => $read('/config/site/url'),

        // The code is the image: it changes by a ship and is read-only until then.
        'DISALLOW_FILE_MODS' => true,
        'DISALLOW_FILE_EDIT' => true,
        'AUTOMATIC_UPDATER_DISABLED' => true,
        'FS_METHOD' => 'direct',
        'WP_TEMP_DIR' => '/tmp',

        // A CronJob runs wp-cron.php, so no visitor waits for it.
        'DISABLE_WP_CRON' => true,

        // Errors go to the log of the container, never into a page.
        'WP_DEBUG' => false,
        'WP_DEBUG_DISPLAY' => false,
    ];
})();
