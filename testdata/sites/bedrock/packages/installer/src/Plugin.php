<?php

namespace Standin\Installer;

use Composer\Composer;
use Composer\EventDispatcher\EventSubscriberInterface;
use Composer\IO\IOInterface;
use Composer\Plugin\PluginInterface;
use Composer\Script\Event;
use Composer\Script\ScriptEvents;

final class Plugin implements PluginInterface, EventSubscriberInterface
{
    public function activate(Composer $composer, IOInterface $io): void
    {
        $composer->getInstallationManager()->addInstaller(new Installer($io, $composer));
    }

    public function deactivate(Composer $composer, IOInterface $io): void
    {
    }

    public function uninstall(Composer $composer, IOInterface $io): void
    {
    }

    public static function getSubscribedEvents(): array
    {
        return [ScriptEvents::POST_INSTALL_CMD => 'scaffold'];
    }

    /** Puts the front controller that the core brings along into the docroot. */
    public function scaffold(Event $event): void
    {
        foreach (array_keys($event->getComposer()->getPackage()->getExtra()['installer-paths']) as $path) {
            if (is_file("$path/assets/index.php")) {
                copy("$path/assets/index.php", dirname($path) . '/index.php');
            }
        }
    }
}
