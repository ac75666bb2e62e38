<p class="greeting">Leave a line, and a picture if you like.</p>
<form action="/entries" method="post" enctype="multipart/form-data">
<label>Name <input name="name" required maxlength="60" autocomplete="name"></label>
<label>Message <textarea name="message" required maxlength="500" rows="3"></textarea></label>
<label>Picture <input name="picture" type="file" accept="image/gif,image/jpeg,image/png,image/webp"></label>
<button>Sign</button>
</form>
<h2><?= $h($count) ?> <?= $count === 1 ? 'entry' : 'entries' ?></h2>
<?php foreach ($entries as $entry) { ?>
<?php require __DIR__ . '/entry.php' ?>
<?php } ?>
<p class="cron"><?= $cron === null
    ? 'Cron has not run yet.'
    : 'Cron ran at ' . $h($cron['ran_at']) . ' UTC from ' . $h($cron['commit_id']) . '.' ?></p>
