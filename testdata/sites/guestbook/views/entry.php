<article id="entry-<?= $h($entry['id']) ?>">
<p class="message"><?= $h($entry['message']) ?></p>
<?php if ($entry['picture'] !== null) { ?>
<img src="/uploads/<?= $h($entry['picture']) ?>" alt="" loading="lazy">
<?php } ?>
<p class="by"><?= $h($entry['name']) ?>, <a href="/entries/<?= $h($entry['id']) ?>"><time><?= $h($entry['created_at']) ?></time></a></p>
</article>
