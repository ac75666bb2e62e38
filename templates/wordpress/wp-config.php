<?php

// The configuration of WordPress in a sitectl image. It lies one level above
// the docroot, where WordPress looks when the docroot has no wp-config.php of
// its own, and takes what differs between sites from the files of the pod.
//
// A site that wants something else has a wp-config.php in its docroot, which
// defines that and then requires this file: what is defined stays.

$sitectl_read = static function (string $file): string {
    $value = @file_get_contents($file);
    if ($value === false) {
        throw new RuntimeException("cannot read $file");
    }

    return trim($value);
};

$sitectl_constants = [
    'DB_HOST' => $sitectl_read('/secrets/database/host') . ':' . $sitectl_read('/secrets/database/port'),
    'DB_NAME' => $sitectl_read('/secrets/database/name'),
    'DB_USER' => $sitectl_read('/secrets/database/user'),
    'DB_PASSWORD' => $sitectl_read('/secrets/database/password'),
    'DB_CHARSET' => 'utf8mb4',
    'DB_COLLATE' => '',

    'AUTH_KEY' => $sitectl_read('/secrets/wordpress/auth-key'),
    'SECURE_AUTH_KEY' => $sitectl_read('/secrets/wordpress/secure-auth-key'),
    'LOGGED_IN_KEY' => $sitectl_read('/secrets/wordpress/logged-in-key'),
    'NONCE_KEY' => $sitectl_read('/secrets/wordpress/nonce-key'),
    'AUTH_SALT' => $sitectl_read('/secrets/wordpress/auth-salt'),
    'SECURE_AUTH_SALT' => $sitectl_read('/secrets/wordpress/secure-auth-salt'),
    'LOGGED_IN_SALT' => $sitectl_read('/secrets/wordpress/logged-in-salt'),
    'NONCE_SALT' => $sitectl_read('/secrets/wordpress/nonce-salt'),

    'WP_HOME' => $sitectl_read('/config/site/url'),
    'WP_SITEURL' => $sitectl_read('/config/site/url'),

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

    // Set already, unless something else than WordPress reads this file.
    'ABSPATH' => dirname(glob(__DIR__ . '/*/wp-settings.php')[0] ?? __FILE__) . '/',
];
foreach ($sitectl_constants as $sitectl_name => $sitectl_value) {
    defined($sitectl_name) || define($sitectl_name, $sitectl_value);
}
unset($sitectl_read, $sitectl_constants, $sitectl_name, $sitectl_value);

$table_prefix = $table_prefix ?? 'wp_';

// TLS ends at the ingress, which says so.
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}
// On the command line there is no request to take the host from.
$_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? parse_url(WP_HOME, PHP_URL_HOST);

require_once ABSPATH . 'wp-settings.php';
