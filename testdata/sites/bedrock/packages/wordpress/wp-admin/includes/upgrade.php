<?php

// A database that is installed, and up to date for this code.

$wp_version = '1.0';
$wpdb = new class () {
    public string $options = 'wp_options';

    public function suppress_errors(bool $suppress = true): bool
    {
        return false;
    }

    public function get_col(string $query): array
    {
        return ['siteurl'];
    }
};

function get_option(string $name): string
{
    return '1';
}

function wp_upgrade(): void
{
}
