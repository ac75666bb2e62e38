<?php

namespace Example\Greeting;

final class Greeting
{
    public static function text(): string
    {
        return 'Hello';
    }
}
