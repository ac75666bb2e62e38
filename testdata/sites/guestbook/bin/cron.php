<?php

declare(strict_types=1);

namespace Guestbook;

require __DIR__ . '/../src/bootstrap.php';

$database = Database::connect();
$removed = new Pictures(__DIR__ . '/../public/uploads')->sweep(new Entries($database)->pictures());
new CronRuns($database)->record(Settings::commit());
echo "removed $removed pictures that no entry shows\n";
