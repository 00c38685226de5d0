using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>
/// Several copies of an environment that are stepped side by side, so that one pass of the policy serves all. An action is keyed by (phase, environment, step) and a
/// start state by (environment, episode), so that the same steps are taken wherever a run was resumed.
/// </summary>
public sealed class EnvironmentPool
{
    private readonly IEnvironment[] environments;
    private readonly ulong resetKey;
    private readonly int[] elapsed;
    private readonly double[] returns;
    private readonly long[] episodes;

    /// <summary>Creates the environments; their first episodes begin with the first phase.</summary>
    /// <param name="kind">Which environment.</param>
    /// <param name="count">How many.</param>
    /// <param name="resetKey">Key of the start states.</param>
    public EnvironmentPool(EnvironmentKind kind, int count, ulong resetKey)
    {
        environments = [.. Enumerable.Range(0, count).Select(_ => kind.Create())];
        this.resetKey = resetKey;
        (elapsed, returns, episodes) = (new int[count], new double[count], new long[count]);
    }

    /// <summary>O.</summary>
    public int ObservationSize => environments[0].ObservationSize;

    /// <summary>A.</summary>
    public int ActionCount => environments[0].ActionCount;

    /// <summary>Gymnasium's name of the environment.</summary>
    public string Id => environments[0].Id;

    /// <summary>Samples.</summary>
    /// <param name="policy">Observation → logits of the actions.</param>
    /// <param name="actionKey">Key of this phase's actions.</param>
    /// <param name="steps">
    /// Steps of each environment: episodes go on in the next phase, and a new one begins where one ends. Null: each environment plays one new episode to its end.
    /// </param>
    /// <param name="greedy">Whether the likeliest action is taken instead of a sampled one.</param>
    public ControlRollout Collect(Mlp policy, ulong actionKey, int? steps, bool greedy = false)
    {
        using var guard = no_grad();
        var segments = new List<Segment>();
        var finished = new List<FinishedEpisode>();
        var open = new Segment[environments.Length];
        for (var i = 0; i < open.Length; i++)
        {
            segments.Add(open[i] = new Segment());
            if (steps is null || episodes[i] == 0)
                Begin(i);
        }

        var active = Enumerable.Range(0, environments.Length).ToList();
        for (var t = 0; active.Count > 0 && t < (steps ?? int.MaxValue); t++)
        {
            Act(policy, active, open, actionKey, t, greedy);
            foreach (var i in active)
            {
                if (!open[i].Terminated && elapsed[i] < environments[i].StepLimit)
                    continue;
                finished.Add(new FinishedEpisode(returns[i], elapsed[i]));
                open[i].FinalObservation = Observe(i);
                if (steps is null)
                    continue;
                Begin(i);
                if (t + 1 < steps)
                    segments.Add(open[i] = new Segment());
            }

            if (steps is null)
                active.RemoveAll(i => open[i].FinalObservation.Length > 0);
        }

        foreach (var i in Enumerable.Range(0, open.Length).Where(i => open[i].FinalObservation.Length == 0))
            open[i].FinalObservation = Observe(i);
        return new ControlRollout(segments, finished);
    }

    /// <summary>Writes the environments' states to a checkpoint's numbers.</summary>
    public void Store(IDictionary<string, double> state)
    {
        for (var i = 0; i < environments.Length; i++)
        {
            (state[Key(i, "elapsed")], state[Key(i, "return")], state[Key(i, "episodes")]) = (elapsed[i], returns[i], episodes[i]);
            for (var k = 0; k < environments[i].State.Length; k++)
                state[Key(i, $"state.{k}")] = environments[i].State[k];
        }
    }

    /// <summary>Puts the environments where <see cref="Store"/> found them; nothing where the numbers hold no environment.</summary>
    public void Restore(IDictionary<string, double> state)
    {
        for (var i = 0; i < environments.Length && state.ContainsKey(Key(i, "elapsed")); i++)
        {
            (elapsed[i], returns[i], episodes[i]) = ((int)state[Key(i, "elapsed")], state[Key(i, "return")], (long)state[Key(i, "episodes")]);
            for (var k = 0; k < environments[i].State.Length; k++)
                environments[i].State[k] = state[Key(i, $"state.{k}")];
        }
    }

    private static string Key(int environment, string what) => $"environment.{environment}.{what}";

    private void Begin(int i)
    {
        environments[i].Reset(new RandomStream(CounterRandom.Key(resetKey, (ulong)i, (ulong)episodes[i])));
        (elapsed[i], returns[i]) = (0, 0);
        episodes[i]++;
    }

    private float[] Observe(int i)
    {
        var observation = new float[ObservationSize];
        environments[i].Observe(observation);
        return observation;
    }

    /// <summary>One step of the active environments.</summary>
    private void Act(Mlp policy, List<int> active, Segment[] open, ulong actionKey, int t, bool greedy)
    {
        using var scope = NewDisposeScope();
        var observations = new float[active.Count * ObservationSize];
        for (var row = 0; row < active.Count; row++)
            environments[active[row]].Observe(observations.AsSpan(row * ObservationSize, ObservationSize));
        var logits = Native.NativeTorch.AsSpan<float>(policy.Forward(tensor(observations, [active.Count, ObservationSize])));
        for (var row = 0; row < active.Count; row++)
        {
            var i = active[row];
            var scores = logits.Slice(row * ActionCount, ActionCount);
            var (action, logProb) = Choose(scores, greedy ? null : CounterRandom.Uniform(actionKey, (ulong)i, (ulong)t));
            var result = environments[i].Step(action);
            elapsed[i]++;
            returns[i] += result.Reward;
            open[i].Observations.AddRange(observations.AsSpan(row * ObservationSize, ObservationSize));
            open[i].Actions.Add(action);
            open[i].LogProbs.Add((float)logProb);
            open[i].Rewards.Add(result.Reward);
            open[i].Terminated = result.Terminated;
        }
    }

    /// <summary>An action and its log-probability under softmax(logits).</summary>
    /// <param name="logits">(A).</param>
    /// <param name="uniform">Where in the cumulative distribution the action lies, [0, 1); null: the likeliest.</param>
    private static (int Action, double LogProb) Choose(ReadOnlySpan<float> logits, double? uniform)
    {
        var best = 0;
        for (var a = 1; a < logits.Length; a++)
        {
            if (logits[a] > logits[best])
                best = a;
        }

        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - logits[best]);
        // A network that diverged has no largest logit: every comparison with NaN is false, and so is this one.
        if (!(sum >= 1))
            throw new NonFiniteException($"the policy's logits are not finite ({string.Join(", ", logits.ToArray())})");
        var action = best;
        if (uniform is { } u)
        {
            var left = u * sum;
            for (action = 0; action < logits.Length - 1 && left >= Math.Exp(logits[action] - logits[best]); action++)
                left -= Math.Exp(logits[action] - logits[best]);
        }

        return (action, logits[action] - logits[best] - Math.Log(sum));
    }
}
