// How an agent who looks elsewhere hears of an offer: a note of the system's and a short sound, both only if he asked for them.
// Neither says what a citizen wrote: it would stand on a locked screen.
export interface Ringer {
  notify(title: string, body: string, tag: string, clicked: () => void): void;
  canNotify(): boolean;
  askNotify(): Promise<boolean>;
  beep(): void;
}

export function browserRinger(): Ringer {
  let audio: AudioContext | undefined;
  const canNotify = (): boolean => typeof Notification !== 'undefined' && Notification.permission === 'granted';
  return {
    canNotify,
    async askNotify() {
      if (typeof Notification === 'undefined') return false;
      return (await Notification.requestPermission()) === 'granted';
    },
    notify(title, body, tag, clicked) {
      if (!canNotify()) return;
      try {
        const note = new Notification(title, { body, tag });
        note.onclick = () => {
          note.close();
          window.focus();
          clicked();
        };
      } catch {
        // Some phones allow notes only from a service worker; the title and the sound remain.
      }
    },
    beep() {
      try {
        audio ??= new AudioContext();
        void audio.resume();
        const tone = audio.createOscillator();
        const loud = audio.createGain();
        tone.frequency.value = 660;
        loud.gain.setValueAtTime(0.15, audio.currentTime);
        loud.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.35);
        tone.connect(loud).connect(audio.destination);
        tone.start();
        tone.stop(audio.currentTime + 0.35);
      } catch {
        // No sound here.
      }
    },
  };
}
