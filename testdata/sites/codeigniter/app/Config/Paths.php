<?php

namespace Config;

final class Paths
{
    public string $writableDirectory = __DIR__ . '/../../writable';
}
