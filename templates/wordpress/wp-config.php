<?php

// The configuration of WordPress in a sitectl image. It lies one level above
// the docroot, where WordPress looks when the docroot has no wp-config.php of
// its own, and takes what differs between sites from the files of the pod.
//
// A site that wants something else has a wp-config.php in its docroot, which
// defines that and then requires this file: what is defined stays.

$sitectl_constants = require '/usr/local/share/sitectl/wordpress/constants.php';
// Set already, unless something else than WordPress reads this file.
$sitectl_constants['ABSPATH'] = dirname(glob(__DIR__ . '/*/wp-settings.php')[0] ?? __FILE__) . '/';
foreach ($sitectl_constants as $sitectl_name => $sitectl_value) {
    defined($sitectl_name) || define($sitectl_name, $sitectl_value);
}
unset($sitectl_constants, $sitectl_name, $sitectl_value);

$table_prefix = $table_prefix ?? 'wp_';

// TLS ends at the ingress, which says so.
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}
// On the command line there is no request to take the host from.
$_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? parse_url(WP_HOME, PHP_URL_HOST);

require_once ABSPATH . 'wp-settings.php';
