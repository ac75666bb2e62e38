<?php

/** The pages of a site: user/pages/<number>.<name>/default.md. */
final class Pages
{
    /** @var string */
    private $root;

    public function __construct(string $root)
    {
        $this->root = $root;
    }

    public function find(string $name): ?string
    {
        $cached = "$this->root/cache/" . sha1($name);
        if (!is_file($cached)) {
            $sources = glob("$this->root/user/pages/*.$name/default.md");
            if ($sources === []) {
                return null;
            }
            file_put_contents($cached, preg_replace('/^---.*?---\s*/s', '', file_get_contents($sources[0])));
        }

        return file_get_contents($cached);
    }
}
