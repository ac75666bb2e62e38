<?php

// The configuration of Bedrock (https://roots.io/bedrock/) in a sitectl image:
// its own takes the values from environment variables, which a pod has none
// of. config/environments/production.php requires this file, unless the site
// brings its own; that one can require it, too.

$sitectl_constants = require '/usr/local/share/sitectl/wordpress/constants.php';
$sitectl_constants['WP_SITEURL'] = $sitectl_constants['WP_HOME'] . '/wp';
$sitectl_constants['WP_CONTENT_URL'] = $sitectl_constants['WP_HOME'] . '/app';
foreach ($sitectl_constants as $sitectl_name => $sitectl_value) {
    if (class_exists('Roots\WPConfig\Config')) {
        Roots\WPConfig\Config::define($sitectl_name, $sitectl_value);
    } elseif (!defined($sitectl_name)) { // before Bedrock 1.9
        define($sitectl_name, $sitectl_value);
    }
}
// On the command line there is no request to take the host from.
$_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? parse_url($sitectl_constants['WP_HOME'], PHP_URL_HOST);
unset($sitectl_constants, $sitectl_name, $sitectl_value);
