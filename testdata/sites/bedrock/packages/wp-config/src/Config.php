<?php

namespace Roots\WPConfig;

/** Collects constants, the last value of each, until they are applied. */
final class Config
{
    private static array $values = [];

    public static function define(string $name, $value): void
    {
        if (defined($name)) {
            throw new \LogicException("$name is defined elsewhere");
        }
        self::$values[$name] = $value;
    }

    public static function get(string $name)
    {
        return self::$values[$name];
    }

    public static function apply(): void
    {
        foreach (self::$values as $name => $value) {
            define($name, $value);
        }
    }
}
