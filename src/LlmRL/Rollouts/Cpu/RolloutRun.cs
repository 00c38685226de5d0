namespace LlmRL.Rollouts.Cpu;

/// <summary>What a call of <see cref="RolloutEngine.Generate"/> asks for.</summary>
internal sealed record RolloutRequest(
    IReadOnlyList<int[]> Prompts, int Samples, SamplingOptions Options, SampleKey Key, IReadOnlyList<ulong>? PromptKeys, Action<Completion>? OnFinished)
{
    /// <summary>What the randomness of a completion is keyed by.</summary>
    public ulong KeyOf(int prompt, int sample) => CounterRandom.Key(Key.Seed, Key.Step, PromptKeys is { } keys ? keys[prompt] : (ulong)prompt, (ulong)sample);
}

/// <summary>
/// Continuous batching: every step feeds the last token of each running sample and as many prompt tokens as fit beside them. A prompt is
/// prefilled once; its samples share its full pages of the cache and draw their first tokens from the same logits.
/// </summary>
internal sealed unsafe class RolloutRun : ILogitConsumer
{
    private const int PageSize = KeyValuePages.PageSize;

    private readonly CpuDecoder _decoder;
    private readonly RolloutRequest _request;
    private readonly Sampler[] _samplers;
    private readonly int[] _stopIds;
    private readonly int _slots, _lookAhead, _maxNewTokens;
    private readonly Slot[] _running; // the first _runningCount run, samples of a prompt side by side
    private readonly int[] _tokens; // (slots, new tokens)
    private readonly float[] _logProbs;
    private readonly int[] _freeRows, _freeStorage, _rowPages;
    private readonly List<PendingPrompt> _pending = []; // in the order of the prompts: ready ones, then those being prefilled
    private readonly List<PendingPrompt> _completing = []; // whose last prompt token is in the batch
    private readonly Completion[] _results;
    private int _runningCount, _freeRowCount, _nextPrompt, _waitingSamples, _finished;
    private string? _failure;

    public RolloutRun(CpuDecoder decoder, RolloutRequest request, int slots)
    {
        _decoder = decoder;
        _request = request;
        _slots = slots;
        _lookAhead = LookAhead(slots, Samples(request));
        _maxNewTokens = request.Options.MaxNewTokens;
        _samplers = new Sampler[decoder.Threads];
        for (var i = 0; i < _samplers.Length; i++)
            _samplers[i] = new Sampler(request.Options, decoder.VocabSize);
        _stopIds = [.. request.Options.StopIds];
        _running = new Slot[slots];
        _tokens = new int[(long)slots * _maxNewTokens];
        _logProbs = new float[_tokens.Length];
        _freeStorage = [.. Enumerable.Range(0, slots)];
        _freeRows = [.. Enumerable.Range(0, Sequences(slots, Samples(request)))];
        _freeRowCount = _freeRows.Length;
        _rowPages = new int[_freeRows.Length];
        _results = new Completion[request.Prompts.Count * request.Samples];
    }

    /// <summary>Most sequences that live at once: running samples, and prompts prefilled ahead of them where not all samples run at once.</summary>
    public static int Sequences(int slots, long samples) => samples <= slots ? (int)samples : slots + LookAhead(slots, samples) + 1;

    /// <summary>Runs to the end; results in the order (prompt, sample).</summary>
    public Completion[] Run(CancellationToken cancellation)
    {
        while (_finished < _results.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            AdmitPrompts();
            var columns = AddRunning();
            var rows = columns;
            AddPrompts(ref columns, ref rows);
            _decoder.Forward(columns, rows, this);
            if (_failure is not null)
                throw new NonFiniteException(_failure);
            Advance();
            StartSamples();
        }

        return _results;
    }

    void ILogitConsumer.Consume(int worker, int row, float* logits)
    {
        var values = new ReadOnlySpan<float>(logits, _decoder.VocabSize);
        if (row < _runningCount)
        {
            ref var slot = ref _running[row];
            var start = slot.Storage * _maxNewTokens;
            if (!_samplers[worker].Draw(
                    values, slot.Key, _request.Prompts[slot.Prompt], _tokens.AsSpan(start, slot.Length),
                    out _tokens[start + slot.Length], out _logProbs[start + slot.Length]))
                Fail(slot.Prompt, slot.Length);
            return;
        }

        var pending = _completing[row - _runningCount];
        for (var sample = 0; sample < _request.Samples; sample++)
        {
            if (!_samplers[worker].Draw(
                    values, _request.KeyOf(pending.Prompt, sample), _request.Prompts[pending.Prompt], [],
                    out pending.FirstTokens[sample], out pending.FirstLogProbs[sample]))
                Fail(pending.Prompt, 0);
        }
    }

    private static int LookAhead(int slots, long samples) => samples <= slots ? 0 : Math.Max(1, slots / 8);

    private static long Samples(RolloutRequest request) => (long)request.Prompts.Count * request.Samples;

    private void Fail(int prompt, int position) => _failure = RolloutChecks.NonFinite(prompt, position);

    // Enough prompts for the free slots and a few ahead, so that a slot that falls free is refilled in the same step.
    private void AdmitPrompts()
    {
        while (_nextPrompt < _request.Prompts.Count && _waitingSamples < _slots - _runningCount + _lookAhead)
        {
            _pending.Add(new PendingPrompt(_nextPrompt++, TakeRow(), _request.Samples));
            _waitingSamples += _request.Samples;
        }
    }

    private int AddRunning()
    {
        for (var i = 0; i < _runningCount; i++)
        {
            ref var slot = ref _running[i];
            var position = _request.Prompts[slot.Prompt].Length + slot.Length - 1;
            AddColumn(i, _tokens[slot.Storage * _maxNewTokens + slot.Length - 1], position, slot.Row);
            _decoder.LogitColumns[i] = i;
        }

        return _runningCount;
    }

    private void AddPrompts(ref int columns, ref int rows)
    {
        _completing.Clear();
        foreach (var pending in _pending)
        {
            var prompt = _request.Prompts[pending.Prompt];
            if (pending.Prefilled == prompt.Length)
                continue;
            while (pending.Prefilled < prompt.Length && columns < _decoder.MaxColumns)
            {
                AddColumn(columns++, prompt[pending.Prefilled], pending.Prefilled, pending.Row);
                pending.Prefilled++;
            }

            if (pending.Prefilled < prompt.Length)
                return;
            _completing.Add(pending);
            _decoder.LogitColumns[rows++] = columns - 1;
        }
    }

    private void AddColumn(int column, int token, int position, int row)
    {
        if (position / PageSize == _rowPages[row])
        {
            _decoder.Table(row)[_rowPages[row]] = _decoder.AllocatePage(row, _rowPages[row]);
            _rowPages[row]++;
        }

        _decoder.Tokens[column] = token;
        _decoder.Positions[column] = position;
        _decoder.Sequences[column] = row;
    }

    private void Advance()
    {
        var kept = 0;
        for (var i = 0; i < _runningCount; i++)
        {
            ref var slot = ref _running[i];
            slot.Length++;
            if (!IsFinished(slot, out var reason))
            {
                _running[kept++] = slot;
                continue;
            }

            var start = slot.Storage * _maxNewTokens;
            Complete(slot.Prompt, slot.Sample, _tokens.AsSpan(start, slot.Length), _logProbs.AsSpan(start, slot.Length), reason);
            ReleaseRow(slot.Row);
            // Storage numbers past the running ones are free; the order among them does not matter.
            _freeStorage[_runningCount - 1 - (i - kept)] = slot.Storage;
        }

        _runningCount = kept;
        foreach (var pending in _completing)
            pending.Ready = true;
    }

    private bool IsFinished(in Slot slot, out FinishReason reason)
    {
        reason = IsStop(_tokens[slot.Storage * _maxNewTokens + slot.Length - 1]) ? FinishReason.Stop : FinishReason.Length;
        return reason == FinishReason.Stop || slot.Length == _maxNewTokens;
    }

    private bool IsStop(int token) => _stopIds.AsSpan().Contains(token);

    private void StartSamples()
    {
        // All begin together: those that began earlier would end earlier, and leave the last steps with columns to spare.
        if (_finished == 0 && _runningCount == 0 && !_pending[^1].Ready)
            return;
        while (_pending.Count > 0 && _pending[0].Ready)
        {
            var pending = _pending[0];
            for (; pending.NextSample < _request.Samples; pending.NextSample++)
            {
                var ends = IsStop(pending.FirstTokens[pending.NextSample]);
                if (ends || _maxNewTokens == 1)
                    CompleteAtOnce(pending, ends ? FinishReason.Stop : FinishReason.Length);
                else if (_runningCount < _slots)
                    Start(pending);
                else
                    return;
                _waitingSamples--;
            }

            if (pending.Row >= 0)
                ReleaseRow(pending.Row);
            _pending.RemoveAt(0);
        }
    }

    private void CompleteAtOnce(PendingPrompt pending, FinishReason reason)
    {
        var sample = pending.NextSample;
        Complete(pending.Prompt, sample, pending.FirstTokens.AsSpan(sample, 1), pending.FirstLogProbs.AsSpan(sample, 1), reason);
    }

    private void Start(PendingPrompt pending)
    {
        var sample = pending.NextSample;
        var storage = _freeStorage[_runningCount];
        _tokens[storage * _maxNewTokens] = pending.FirstTokens[sample];
        _logProbs[storage * _maxNewTokens] = pending.FirstLogProbs[sample];
        int row;
        if (sample == _request.Samples - 1)
            (row, pending.Row) = (pending.Row, -1);
        else
            row = ShareRow(pending.Row, _request.Prompts[pending.Prompt].Length);
        _running[_runningCount++] = new Slot
        {
            Prompt = pending.Prompt,
            Sample = sample,
            Row = row,
            Storage = storage,
            Length = 1,
            Key = _request.KeyOf(pending.Prompt, sample),
        };
    }

    // Full pages are shared; the last one, which the sample will write to, is copied.
    private int ShareRow(int from, int length)
    {
        var row = TakeRow();
        int* source = _decoder.Table(from), target = _decoder.Table(row);
        var full = length / PageSize;
        for (var i = 0; i < full; i++)
            _decoder.Pages.Share(target[i] = source[i]);
        _rowPages[row] = full;
        if (length % PageSize != 0)
        {
            target[full] = _decoder.AllocatePage(row, full);
            _decoder.Pages.Copy(source[full], target[full]);
            _rowPages[row]++;
        }

        return row;
    }

    private int TakeRow()
    {
        var row = _freeRows[--_freeRowCount];
        _rowPages[row] = 0;
        return row;
    }

    private void ReleaseRow(int row)
    {
        var table = _decoder.Table(row);
        for (var i = 0; i < _rowPages[row]; i++)
            _decoder.Pages.Release(table[i]);
        _freeRows[_freeRowCount++] = row;
    }

    private void Complete(int prompt, int sample, ReadOnlySpan<int> tokens, ReadOnlySpan<float> logProbs, FinishReason reason)
    {
        var completion = new Completion(prompt, sample, tokens.ToArray(), logProbs.ToArray(), reason);
        _results[prompt * _request.Samples + sample] = completion;
        _finished++;
        _request.OnFinished?.Invoke(completion);
    }

    private struct Slot
    {
        public int Prompt, Sample, Row, Storage, Length;
        public ulong Key;
    }

    private sealed class PendingPrompt(int prompt, int row, int samples)
    {
        public readonly int Prompt = prompt;
        public readonly int[] FirstTokens = new int[samples];
        public readonly float[] FirstLogProbs = new float[samples];
        public int Row = row, Prefilled, NextSample;
        public bool Ready;
    }
}
