<?php

/*
 * Plugin Name: Demo
 * Description: Shows which release answers, and lets Varnish keep pages for a moment.
 */

declare(strict_types=1);

add_action('wp_footer', static function (): void {
    $commit = is_readable('/config/release/commit') ? trim(file_get_contents('/config/release/commit')) : 'unknown';
    $greeting = 'Shipped by sitectl.';
    echo '<p class="demo">', esc_html($greeting), ' Release <code>', esc_html($commit), '</code></p>';
});

// WordPress says nothing about caching where a visitor is not logged in.
add_filter('wp_headers', static function (array $headers): array {
    if (!is_user_logged_in() && !isset($headers['Cache-Control'])) {
        $headers['Cache-Control'] = 'public, max-age=5';
    }

    return $headers;
});
