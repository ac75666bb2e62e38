<?php

namespace App\Controllers;

use Config\Paths;

final class Hello
{
    private Paths $paths;

    public function __construct(Paths $paths)
    {
        $this->paths = $paths;
    }

    public function index(string $name): string
    {
        $answer = "Hello, $name\n" . 'PHP ' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION . ' in ' . date_default_timezone_get() . "\n";
        foreach (['cache', 'logs', 'session', 'uploads'] as $folder) {
            $file = tempnam("{$this->paths->writableDirectory}/$folder", 'trial');
            $answer .= "$folder: " . (dirname($file) === realpath("{$this->paths->writableDirectory}/$folder") ? 'writable' : 'read-only') . "\n";
            unlink($file);
        }
        $answer .= 'app: ' . (is_writable(__FILE__) ? 'writable' : 'read-only') . "\n";

        return $answer;
    }
}
