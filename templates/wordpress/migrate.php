<?php

// The migration step of a WordPress site: installs WordPress into an empty
// database, or brings the database up to the code of this image. A run that
// was killed is finished by the next one.
//
// Usage: php migrate.php [FOLDER]; without it, the docroot or, with Bedrock, a
// folder of it.

declare(strict_types=1);

const SITECTL_MARK = 'sitectl_installing'; // an option: set while the first installation is under way

function sitectl_fail(string $message): void
{
    fwrite(STDERR, "$message\n");
    exit(1);
}

/** Replaces the function of WordPress that mails the administrator. */
function wp_new_blog_notification(): void
{
}

function sitectl_installed(): bool
{
    global $wpdb;

    $suppressed = $wpdb->suppress_errors();
    $found = $wpdb->get_col("SELECT option_name FROM $wpdb->options WHERE option_name IN ('siteurl', '" . SITECTL_MARK . "')");
    $wpdb->suppress_errors($suppressed);

    return $found === ['siteurl'];
}

/** Runs when WordPress has made its tables and none of its options. */
function sitectl_mark(): void
{
    global $wpdb;

    $wpdb->suppress_errors(false);
    add_option(SITECTL_MARK, '1');
    if (get_option(SITECTL_MARK) === false) {
        sitectl_fail("cannot create the tables: $wpdb->last_error");
    }
    // With a structure set, WordPress does not try some out by requests to a
    // site that does not answer yet.
    add_option('permalink_structure', '/%postname%/');
}

function sitectl_install(): void
{
    global $wpdb, $wp_version;

    $address = trim(file_get_contents('/config/site/address'));
    $password = trim(file_get_contents('/secrets/wordpress/admin-password'));
    add_action('populate_options', 'sitectl_mark');
    wp_install($address, 'admin', "admin@$address", true, '', wp_slash($password));
    if (!username_exists('admin') || !delete_option(SITECTL_MARK)) {
        sitectl_fail("cannot install WordPress: $wpdb->last_error");
    }
    echo "installed WordPress $wp_version with the user admin\n";
}

function sitectl_upgrade(): void
{
    global $wp_version;

    $from = (int) get_option('db_version');
    wp_upgrade();
    $to = (int) get_option('db_version');
    echo $from === $to
        ? "the database is up to date for WordPress $wp_version\n"
        : "upgraded the database from version $from to $to for WordPress $wp_version\n";
}

$docroot = trim(file_get_contents(__DIR__ . '/docroot'));
$folder = $argv[1] ?? dirname(glob("$docroot{,/*}/wp-load.php", GLOB_BRACE)[0] ?? "$docroot/wp-load.php");
if (!is_file("$folder/wp-load.php")) {
    sitectl_fail("no WordPress in $folder");
}

// WordPress ends with status 0 where it gives up, so only the last line of
// this file makes a success of it.
$done = false;
register_shutdown_function(static function () use (&$done): void {
    if (!$done) {
        exit(1);
    }
});

// WordPress takes hooks that were set before it is loaded.
$wp_filter['wp_die_handler'][10][] = [
    'accepted_args' => 1,
    'function' => static fn (): Closure => static function ($message): void {
        $text = html_entity_decode(strip_tags(is_string($message) ? $message : $message->get_error_message()));
        sitectl_fail(trim(preg_replace('/\s+/', ' ', $text)));
    },
];
// Loading WordPress over an empty database is one long complaint about it.
$wp_filter['muplugins_loaded'][10][] = [
    'accepted_args' => 0,
    'function' => static fn () => sitectl_installed() || $GLOBALS['wpdb']->suppress_errors(),
];

define('WP_INSTALLING', true); // no plugins, and no redirect to the installer
define('WP_REPAIRING', true); // tables that an interrupted run left are no reason to stop
require "$folder/wp-load.php";
require ABSPATH . 'wp-admin/includes/upgrade.php';

sitectl_installed() ? sitectl_upgrade() : sitectl_install();
$done = true;
