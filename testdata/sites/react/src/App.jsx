import { useState } from 'react';

export default function App() {
  const [clicks, setClicks] = useState(0);
  return (
    <main>
      <h1>A site without PHP</h1>
      <p>You are at {location.pathname}.</p>
      <button onClick={() => setClicks(clicks + 1)}>Clicked {clicks} times</button>
    </main>
  );
}
