namespace LlmRL.Tests.Rewards;

internal static partial class MathCases
{
    /// <summary>Words, letters and whole solutions that give the gold answer.</summary>
    public const string SameText =
        """
        # text and letters
        \text{even} ¦ even
        \text{Yes} ¦ yes.
        yes ¦ Yes
        true ¦ True
        Monday ¦ \text{Monday}
        \text{ellipse} ¦ an ellipse
        red and blue ¦ Red and Blue
        \text{(A)} ¦ A
        A ¦ (A)
        A ¦ \textbf{(A)}
        A ¦ \boxed{A}
        A ¦ \boxed{\text{(A)}}
        A ¦ The answer is (A).
        (B) ¦ **B**
        B ¦ b
        C ¦ C. 42
        C ¦ C) 42
        D ¦ The correct option is D
        \text{undefined} ¦ undefined
        \text{no solution} ¦ no solution
        \infty ¦ infinity
        \infty ¦ +\infty
        -\infty ¦ -∞
        \text{A,B} ¦ A, B
        ABC ¦ \text{ABC}
        \triangle ABC ¦ \triangle ABC
        # how answers are given
        18 ¦ #### 18
        18 ¦ So she has 18.
        18 ¦ The answer is 18.
        18 ¦ the answer is: **18**
        18 ¦ Answer: 18 dollars
        18 ¦ \fbox{18}
        18 ¦ \framebox{18}
        18 ¦ $\boxed{18}$.
        18 ¦ \[ \boxed{ 18 } \]
        18 ¦ <answer>18</answer>
        18 ¦ <think>17?</think> <answer> 18 </answer>
        18 ¦ <think>\boxed{17}</think> Hence \boxed{18}
        18 ¦ Therefore $x = 18$.
        18 ¦ Therefore \(x = 18\).
        18 ¦ I get 9 + 9 = 18
        18 ¦ 9 * 2 = <<9*2=18>>18
        18 ¦ Final Answer: The final answer is $18$. I hope it is correct.
        18 ¦ \boxed{9+9=18}
        18 ¦ $$\boxed{18}$$ is the number of eggs, not 17.
        1/2 ¦ The probability is \boxed{\frac{1}{2}}
        1/2 ¦ The final answer is $\frac{1}{2}$.
        1/2 ¦ so the result is \frac{1}{2}
        -3 ¦ it is -3
        2\sqrt{3} ¦ Hence the side is $2\sqrt3$ cm.
        (1,2) ¦ The point is $(1, 2)$.
        \frac{3}{4} ¦ \boxed{\dfrac{3}{4}}
        \frac{3}{4} ¦ \boxed{\boxed{\dfrac{3}{4}}}
        #### 12 ¦ 12
        x = 3 #### 3 ¦ 3.0
        \boxed{5} ¦ 5
        """;
}
