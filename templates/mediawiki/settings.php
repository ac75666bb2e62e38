<?php

// The configuration of MediaWiki in a sitectl image, from the files of the
// pod. LocalSettings.php requires it.

if (!defined('MEDIAWIKI')) {
    exit(1);
}

$sitectl_read = static function (string $file): string {
    $value = @file_get_contents($file);
    if ($value === false) {
        throw new RuntimeException("cannot read $file");
    }

    return trim($value);
};

$wgServer = $sitectl_read('/config/site/url');
$wgSitename = $sitectl_read('/config/site/address');
// The code is at the root of the site, pages are below /wiki, and the main one
// is at the root as well.
$wgScriptPath = '';
$wgArticlePath = '/wiki/$1';
$wgMainPageIsDomainRoot = true;

$wgDBtype = 'mysql';
$wgDBserver = $sitectl_read('/secrets/database/host') . ':' . $sitectl_read('/secrets/database/port');
$wgDBname = $sitectl_read('/secrets/database/name');
$wgDBuser = $sitectl_read('/secrets/database/user');
$wgDBpassword = $sitectl_read('/secrets/database/password');
$wgDBTableOptions = 'ENGINE=InnoDB, DEFAULT CHARSET=binary';

$wgSecretKey = $sitectl_read('/secrets/mediawiki/secret-key');
$wgAuthenticationTokenVersion = '1';

// What all pods share. Logins outlive a restart of the cache.
$wgSessionCacheType = CACHE_DB;
if (is_file('/config/site/memcached')) {
    $wgMainCacheType = CACHE_MEMCACHED;
    $wgMemCachedServers = explode("\n", $sitectl_read('/config/site/memcached'));
} elseif (is_file('/config/site/redis')) {
    $wgMainCacheType = 'redis';
    $wgObjectCaches['redis'] = [
        // The second is what it was called before MediaWiki 1.43.
        'class' => class_exists('Wikimedia\ObjectCache\RedisBagOStuff') ? 'Wikimedia\ObjectCache\RedisBagOStuff' : 'RedisBagOStuff',
        'servers' => [$sitectl_read('/config/site/redis')],
    ];
}

// Translations, which each pod compiles for itself.
$wgCacheDirectory = '/tmp/mediawiki';
$wgTmpDirectory = '/tmp';

// Below the files volume.
$wgEnableUploads = true;

// A CronJob works the queue off, so no visitor waits for it.
$wgJobRunRate = 0;

// Nothing in the image sends mail: who has a server for it sets $wgSMTP.
$wgEnableEmail = false;

// Errors go to the log of the container, never into a page.
$wgShowExceptionDetails = false;
$wgDebugLogGroups['exception'] = 'php://stderr';
$wgDebugLogGroups['error'] = 'php://stderr';

// Without a skin there is nothing to see; those that come with MediaWiki are
// for the visitor to choose from.
foreach (glob("$IP/skins/*/skin.json") as $sitectl_skin) {
    wfLoadSkin(basename(dirname($sitectl_skin)));
}
unset($sitectl_read, $sitectl_skin);
