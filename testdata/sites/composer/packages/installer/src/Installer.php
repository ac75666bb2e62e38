<?php

namespace Standin\Installer;

use Composer\Installer\LibraryInstaller;
use Composer\Package\PackageInterface;

final class Installer extends LibraryInstaller
{
    public function supports($packageType): bool
    {
        return $this->path($packageType) !== null;
    }

    public function getInstallPath(PackageInterface $package): string
    {
        return $this->path($package->getType());
    }

    private function path(string $type): ?string
    {
        foreach ($this->composer->getPackage()->getExtra()['installer-paths'] as $path => $types) {
            if (in_array("type:$type", $types, true)) {
                return $path;
            }
        }

        return null;
    }
}
