<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guestbook</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<a href="/">Guestbook</a>
</header>
<main>
<?= $content ?>
</main>
<footer>release <code><?= $h(Guestbook\Settings::commit()) ?></code></footer>
</body>
</html>
