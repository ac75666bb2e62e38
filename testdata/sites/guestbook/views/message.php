<h1><?= $h($title) ?></h1>
<p><?= $h($text) ?></p>
