using static TorchSharp.torch;

namespace LlmRL.Tests.Theory;

/// <summary>
/// A process with so few episodes that every expectation is a finite sum, with a tabular softmax policy: π(a|s) = softmax(z[s])_a. The parameters θ are
/// the table z of logits, one row a state.
/// </summary>
internal sealed class FiniteProcess
{
    private FiniteProcess(int states, int actions, IEnumerable<Episode> episodes)
    {
        (States, Actions, Episodes) = (states, actions, [.. episodes]);
        Horizon = Episodes.Max(episode => episode.Length);
        (Policy, Other) = (Table(1), Table(2));
    }

    /// <summary>Rows of the table.</summary>
    public int States { get; }

    /// <summary>Columns of the table.</summary>
    public int Actions { get; }

    /// <summary>Every episode there is.</summary>
    public IReadOnlyList<Episode> Episodes { get; }

    /// <summary>The longest episode.</summary>
    public int Horizon { get; }

    /// <summary>The policy π at which everything is looked at: its logits, row by row.</summary>
    public double[] Policy { get; }

    /// <summary>A second policy: an older one that sampled, or a reference.</summary>
    public double[] Other { get; }

    /// <summary>All processes of these tests by name.</summary>
    public static IReadOnlyDictionary<string, FiniteProcess> All { get; } = new Dictionary<string, FiniteProcess>
    {
        ["decision process"] = DecisionProcess(),
        ["language model"] = LanguageModel(),
    };

    /// <summary>Two states, two actions, three steps; the next state is drawn, and every step pays. 32 episodes.</summary>
    public static FiniteProcess DecisionProcess()
    {
        double[,] toSecond = { { 0.3, 0.8 }, { 0.6, 0.1 } }, reward = { { 1, -0.5 }, { 0.25, 2 } };
        IEnumerable<Episode> From(Episode past, int state)
        {
            for (var action = 0; action < 2; action++)
            {
                var now = new Episode([.. past.States, state], [.. past.Actions, action], [.. past.Rewards, reward[state, action]], past.Chance);
                if (now.Length == 3)
                    yield return now;
                else
                    for (var next = 0; next < 2; next++)
                        foreach (var episode in From(now with { Chance = now.Chance * (next == 1 ? toSecond[state, action] : 1 - toSecond[state, action]) }, next))
                            yield return episode;
            }
        }

        return new FiniteProcess(2, 2, From(new Episode([], [], [], 1), 0));
    }

    /// <summary>
    /// A language of one word and EOS, cut after three tokens: its four sequences differ in length. A state is the prefix; the score comes with the last token.
    /// </summary>
    public static FiniteProcess LanguageModel(params double[] scores)
    {
        const int word = 0, eos = 1;
        scores = scores.Length > 0 ? scores : [0.5, 2, -1, 1.25];
        int[][] sequences = [[eos], [word, eos], [word, word, eos], [word, word, word]];
        return new FiniteProcess(3, 2, sequences.Select((tokens, i) =>
            new Episode([.. Enumerable.Range(0, tokens.Length)], tokens, [.. tokens.Select((_, t) => t == tokens.Length - 1 ? scores[i] : 0)], 1)));
    }

    /// <summary>π(a|s) of every cell of the table.</summary>
    public double[,] Probabilities(double[] policy)
    {
        var table = new double[States, Actions];
        for (var s = 0; s < States; s++)
        {
            var total = Enumerable.Range(0, Actions).Sum(a => Math.Exp(policy[s * Actions + a]));
            for (var a = 0; a < Actions; a++)
                table[s, a] = Math.Exp(policy[s * Actions + a]) / total;
        }

        return table;
    }

    /// <summary>P(e) = chance · Π_t π(a_t|s_t).</summary>
    public double Probability(Episode episode, double[] policy)
    {
        var table = Probabilities(policy);
        return episode.Chance * episode.States.Zip(episode.Actions).Aggregate(1.0, (product, step) => product * table[step.First, step.Second]);
    }

    /// <summary>E f(e) = Σ_e P(e) f(e).</summary>
    public double Expect(Func<Episode, double> f, double[]? policy = null) => Episodes.Sum(episode => Probability(episode, policy ?? Policy) * f(episode));

    /// <summary>V(s_t) at step t: the mean return from there of all episodes that are in that state at that step.</summary>
    public double Value(Episode episode, int t)
    {
        bool Here(Episode other) => other.Length > t && other.States[t] == episode.States[t];
        return Expect(other => Here(other) ? other.Return(from: t) : 0) / Expect(other => Here(other) ? 1 : 0);
    }

    /// <summary>
    /// Σ_e Σ_t w(e, t) · ∂P(e)/∂θ through decision t alone. With w the return it is, by the product rule, the gradient of the expected return. Plain
    /// arithmetic: ∂π(a)/∂z_b = π(a)·(1[a = b] − π(b)); no logarithm, no autograd.
    /// </summary>
    /// <param name="weight">w.</param>
    /// <param name="sampling">The policy of all other decisions; π itself if null.</param>
    public double[] Differentiate(Func<Episode, int, double> weight, double[]? sampling = null)
    {
        var (live, others) = (Probabilities(Policy), Probabilities(sampling ?? Policy));
        var gradient = new double[States * Actions];
        foreach (var episode in Episodes)
        {
            for (var t = 0; t < episode.Length; t++)
            {
                var (s, a) = (episode.States[t], episode.Actions[t]);
                var rest = episode.Chance;
                for (var u = 0; u < episode.Length; u++)
                    rest *= u == t ? 1 : others[episode.States[u], episode.Actions[u]];
                for (var b = 0; b < Actions; b++)
                    gradient[s * Actions + b] += weight(episode, t) * rest * live[s, a] * ((a == b ? 1 : 0) - live[s, b]);
            }
        }

        return gradient;
    }

    /// <summary>∇ E Σ_t γ^t r_t.</summary>
    public double[] GradientOfReturn(double gamma = 1) => Differentiate((episode, _) => episode.Return(gamma));

    /// <summary>P(e) of all episodes as tensors, (episodes), for functions of θ that autograd differentiates.</summary>
    public Tensor Probabilities(Tensor policy)
    {
        var table = policy.view(States, Actions).softmax(-1).flatten();
        return stack([.. Episodes.Select(episode => episode.Chance * table.index_select(0, Cells(episode)).prod())]);
    }

    /// <summary>∇f(θ) at π.</summary>
    public double[] GradientOf(Func<Tensor, Tensor> f)
    {
        using var scope = NewDisposeScope();
        var policy = tensor(Policy).requires_grad_();
        f(policy).backward();
        return policy.grad!.data<double>().ToArray();
    }

    /// <summary>s(e) = ∇log P(e) = Σ_t ∇log π(a_t|s_t), by hand: 1 − π at the action taken, −π at the others.</summary>
    public double[] Score(Episode episode)
    {
        var table = Probabilities(Policy);
        var score = new double[Policy.Length];
        for (var t = 0; t < episode.Length; t++)
            for (var a = 0; a < Actions; a++)
                score[episode.States[t] * Actions + a] += (a == episode.Actions[t] ? 1 : 0) - table[episode.States[t], a];
        return score;
    }

    /// <summary>Where the episode's decisions stand in the table.</summary>
    private Tensor Cells(Episode episode) => tensor(episode.States.Zip(episode.Actions).Select(step => (long)step.First * Actions + step.Second).ToArray());

    private double[] Table(ulong seed)
    {
        var random = new RandomStream(CounterRandom.Key(seed));
        return [.. Enumerable.Range(0, States * Actions).Select(_ => 0.8 * random.NextNormal())];
    }
}
