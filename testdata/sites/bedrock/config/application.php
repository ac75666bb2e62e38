<?php

use Roots\WPConfig\Config;

// As in Bedrock: from environment variables, of which a pod has none.
Config::define('WP_HOME', getenv('WP_HOME') ?: null);
Config::define('WP_SITEURL', getenv('WP_SITEURL') ?: null);
Config::define('CONTENT_DIR', '/app');
Config::define('WP_CONTENT_DIR', dirname(__DIR__) . '/web' . Config::get('CONTENT_DIR'));
Config::define('WP_CONTENT_URL', Config::get('WP_HOME') . Config::get('CONTENT_DIR'));
foreach (['DB_NAME', 'DB_USER', 'DB_PASSWORD', 'AUTH_KEY', 'AUTH_SALT'] as $name) {
    Config::define($name, getenv($name) ?: null);
}
Config::define('DB_HOST', getenv('DB_HOST') ?: 'localhost');
$table_prefix = getenv('DB_PREFIX') ?: 'wp_';

define('WP_ENV', getenv('WP_ENV') ?: 'production');
$environment = __DIR__ . '/environments/' . WP_ENV . '.php';
if (file_exists($environment)) {
    require_once $environment;
}
Config::apply();
