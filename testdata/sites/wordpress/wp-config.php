<?php

// The demo's ingress does not listen on port 80, so WordPress has to name the
// port in its links and redirects.
if (preg_match('/^wordpress\.localhost:\d+$/D', $_SERVER['HTTP_HOST'] ?? '') === 1) {
    define('WP_HOME', 'http://' . $_SERVER['HTTP_HOST']);
    define('WP_SITEURL', WP_HOME);
}

// Nothing in the demo leaves the machine.
define('WP_HTTP_BLOCK_EXTERNAL', true);

require dirname(__DIR__) . '/wp-config.php';
