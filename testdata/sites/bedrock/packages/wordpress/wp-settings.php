<?php

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$database = new mysqli(strstr(DB_HOST, ':', true), DB_USER, DB_PASSWORD, DB_NAME, (int) substr(strstr(DB_HOST, ':'), 1));
header('Content-Type: text/plain');
echo 'Home: ' . WP_HOME . "\n";
echo 'Core: ' . WP_SITEURL . "\n";
echo 'Content: ' . WP_CONTENT_URL . ' in ' . WP_CONTENT_DIR . "\n";
echo 'Salts: ' . (strlen(AUTH_KEY) >= 32 && AUTH_KEY !== AUTH_SALT ? 'different' : 'weak') . "\n";
echo 'File editing: ' . (DISALLOW_FILE_EDIT && DISALLOW_FILE_MODS ? 'off' : 'on') . "\n";
echo 'Uploads: ' . (is_writable(WP_CONTENT_DIR . '/uploads') ? 'writable' : 'read-only') . "\n";
