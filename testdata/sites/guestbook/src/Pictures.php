<?php

declare(strict_types=1);

namespace Guestbook;

use RuntimeException;

/**
 * The uploads on the files volume. A picture gets a name of our own and the
 * extension of what it really is, so that nothing a visitor sends can choose
 * how it is served.
 */
final class Pictures
{
    public const int MAX_BYTES = 1 << 20;

    private const array EXTENSIONS = [
        IMAGETYPE_GIF => 'gif',
        IMAGETYPE_JPEG => 'jpg',
        IMAGETYPE_PNG => 'png',
        IMAGETYPE_WEBP => 'webp',
    ];

    /** Seconds within which a picture's entry is written after the picture. */
    private const int GRACE = 3600;

    public function __construct(private readonly string $folder)
    {
    }

    /**
     * @param array{error: int, size: int, tmp_name: string} $upload an item of $_FILES
     *
     * @return ?string the name under /uploads/; null if no file was sent
     *
     * @throws Refused if it is not a picture or too large
     */
    public function keep(array $upload): ?string
    {
        if ($upload['error'] === UPLOAD_ERR_NO_FILE) {
            return null;
        }
        if ($upload['error'] === UPLOAD_ERR_INI_SIZE || $upload['size'] > self::MAX_BYTES) {
            throw new Refused('The picture is larger than 1 MiB.');
        }
        if ($upload['error'] !== UPLOAD_ERR_OK) {
            throw new Refused('The picture did not arrive.');
        }
        $type = @getimagesize($upload['tmp_name'])[2] ?? null;
        if (!isset(self::EXTENSIONS[$type])) {
            throw new Refused('The picture is not a GIF, JPEG, PNG or WebP file.');
        }
        $name = bin2hex(random_bytes(16)) . '.' . self::EXTENSIONS[$type];
        $file = "$this->folder/$name";
        if (!move_uploaded_file($upload['tmp_name'], $file) || !chmod($file, 0644)) {
            throw new RuntimeException("cannot write $file");
        }

        return $name;
    }

    /**
     * Removes what no entry shows: a request may have died between the two.
     *
     * @param list<string> $shown
     *
     * @return int how many were removed
     */
    public function sweep(array $shown): int
    {
        $removed = 0;
        foreach (glob($this->folder . '/*.{' . implode(',', self::EXTENSIONS) . '}', GLOB_BRACE) as $file) {
            if (filemtime($file) < time() - self::GRACE && !in_array(basename($file), $shown, true)) {
                unlink($file);
                $removed++;
            }
        }

        return $removed;
    }
}
